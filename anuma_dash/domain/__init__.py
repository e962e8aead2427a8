"""What several features share: controls, disclosures, deletions, and the durable rows they are made of."""
