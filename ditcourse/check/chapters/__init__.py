"""One file of specs for each chapter, loaded when an exercise of that chapter is first checked."""
