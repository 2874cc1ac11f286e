"""What is said to GitHub, GitLab and Gitea or Forgejo over HTTP: commit statuses and webhooks. Listens to nothing."""
