"""KEPT ELSEWHERE: a backup that proves what it holds, and the way back into an empty system."""
