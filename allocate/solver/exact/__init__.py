"""What is not convex, solved to a proved bound: branch and bound on the convex program's dual."""
