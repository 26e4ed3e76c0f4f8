"""Progress bars, signals, ordered parallel maps, array namespaces, assignment."""
