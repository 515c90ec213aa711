-- Notes that the change of the number of lanes is complete.
update lanes set moved = true
