"""The Hessian of the loss: products with vectors, largest eigenvalues, and the trace."""
