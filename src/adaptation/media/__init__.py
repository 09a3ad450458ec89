"""What is known of sources, encodes, segments and manifests: pure, nothing is run or written."""
