"""The jobs that people launch and schedules start; schedules live with their jobs."""
