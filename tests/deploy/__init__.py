"""The files of deploy/ are held to the programs and formats that they are for."""
