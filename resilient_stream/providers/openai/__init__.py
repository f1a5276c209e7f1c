"""OpenAI's two dialects, chat completions and Responses, the many hosts that speak them, and Azure."""
