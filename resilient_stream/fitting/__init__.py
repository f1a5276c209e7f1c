"""What has to be fitted about a request before it can be sent to a target: features, tool names, calls and results."""
