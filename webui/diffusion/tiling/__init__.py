"""What decoding and encoding in strips is made of; the way in is `webui.diffusion.tiled_vae`."""
