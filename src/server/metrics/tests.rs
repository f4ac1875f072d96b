mod falling;
