"""Records: what is known about a patient. `ports` is the port and its values, the other modules are its adapters."""
