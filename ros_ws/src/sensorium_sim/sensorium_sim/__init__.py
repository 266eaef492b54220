"""MuJoCo cell, tasks, scripted experts, episode generator."""
