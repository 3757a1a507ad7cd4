"""The inspection station: HTTP, a durable record, images and maps on disk, thresholds that people approve. No torch."""
