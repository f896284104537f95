"""The forecast service: POST /predict and Kafka claims, a PyTorch GRU or LSTM behind spawned workers."""
