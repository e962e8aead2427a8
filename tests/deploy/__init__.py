"""What runs in production, run here: the files of deploy/ and the commands of docs/operations.md."""
