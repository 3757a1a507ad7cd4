"""The adversarial loop that every GAN method shares: seed, step, log, checkpoint, resume, select."""
