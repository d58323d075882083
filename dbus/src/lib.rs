//! windlass-dbus
