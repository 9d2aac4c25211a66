"""What users bring in and what trainers read, one format a file."""
