# As much of a NixOS system as says which builders it has.
{
  nix = {
    distributedBuilds = true;
    buildMachines = [ { hostName = "ruby"; protocol = "ssh-ng"; sshUser = "nix"; system = "x86_64-linux"; maxJobs = 2; } ];
  };
  programs.ssh = { extraConfig = ""; knownHosts = { }; };
}
