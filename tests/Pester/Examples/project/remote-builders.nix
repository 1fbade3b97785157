{ ... }: {
  nix.buildMachines = [
    { hostName = "workshop"; protocol = "ssh-ng"; sshUser = "nix"; systems = [ "x86_64-linux" ]; maxJobs = 2; }
  ];
  programs.ssh.extraConfig = ''
    Host workshop
      HostName ruby
  '';
}
