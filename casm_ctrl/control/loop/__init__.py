"""The control loop: it polls and listens, decides, and does what policies let it. The only impure part of control."""
