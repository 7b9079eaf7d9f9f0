"""Small files that people or tools write: read strictly, checked against a dataclass, faults with their lines."""
