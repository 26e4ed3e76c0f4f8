"""Progress bars, run summaries, signals, ordered parallel maps, array namespaces, assignment."""
