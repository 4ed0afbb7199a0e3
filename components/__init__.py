"""Components and resolver strategies that TFX does not have, a folder each."""
