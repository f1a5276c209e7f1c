"""Speaks OpenAI's two dialects, chat completions and Responses, for OpenAI, the many hosts that speak them, and
Azure."""
