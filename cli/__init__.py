"""The command line: parse, call a stage, show what it says."""
