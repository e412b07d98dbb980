"""Nothing acknowledged is ever lost, nothing wrong is ever served: kills, power cuts, full disks, races."""
