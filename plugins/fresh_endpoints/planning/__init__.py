"""What a run will ask of AWS, told without a run: made by the steps themselves, and compared with what is live."""
