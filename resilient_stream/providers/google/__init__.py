"""Speaks Gemini's two dialects, generateContent and Interactions, and adapts Vertex, which serves Gemini and Claude."""
