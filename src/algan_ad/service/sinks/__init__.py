"""Where results go: a webhook, a broker of MQTT, the registers of a PLC."""
