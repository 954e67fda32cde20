"""The program climbed by its gradient: any smooth objective, several starts, no convexity used."""
