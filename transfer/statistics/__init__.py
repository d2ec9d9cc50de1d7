"""What rows show: intervals, comparisons, rules of a verdict. numpy and scipy only."""
