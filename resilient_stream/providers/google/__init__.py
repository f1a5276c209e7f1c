"""Gemini's two dialects, generateContent and Interactions, and Vertex, which serves it and Claude."""
