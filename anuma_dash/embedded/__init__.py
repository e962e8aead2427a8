"""What lets one machine be enough: the embedded gateway and the sandbox. Nothing outside imports this."""
