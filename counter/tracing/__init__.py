"""WHERE TIME GOES: spans of what the program does, for who follows it by OpenTelemetry; off unless set up."""
