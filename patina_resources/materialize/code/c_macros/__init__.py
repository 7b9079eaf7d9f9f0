"""What C and C++ macros hide from a parser that has no preprocessor."""
