"""What people would rather look at than read: clips, explorers, plots."""

from ditcourse.figures.clips import save_clip, show_clip, show_clips, side_by_side

__all__ = ["save_clip", "show_clip", "show_clips", "side_by_side"]
