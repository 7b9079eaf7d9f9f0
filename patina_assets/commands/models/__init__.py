"""`patina model` and the models of projects: what is missing, what is offered, by whose word it is downloaded."""
