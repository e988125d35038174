"""What logs and traces say of a request: the id of its trace, its path, spans of OpenTelemetry."""
