"""The action of content rules that submits a task."""
