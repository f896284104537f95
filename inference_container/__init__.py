"""The forecast service: POST /predict, with a PyTorch GRU or LSTM behind spawned workers."""
