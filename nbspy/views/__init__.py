"""What a person sees: tables, the self-contained page, the widget. Views read a Profile; they decide nothing."""
