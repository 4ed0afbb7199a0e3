"""What a person types and sees: flags, progress, summary, tables and pictures."""
