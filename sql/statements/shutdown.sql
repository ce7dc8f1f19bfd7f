-- Ends the server; whoever watches it starts it again.
-- since 18.1
SYSTEM SHUTDOWN
