"""How pixels come out: conditioning, denoiser, samplers, noise, VAE. Runs in the engine process."""
