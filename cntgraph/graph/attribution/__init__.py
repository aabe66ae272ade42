"""Attribution graphs that other tools have drawn, as graphs that can be measured."""
