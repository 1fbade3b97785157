{ lib, hostname, ... }: {
  nix.buildMachines = lib.optional (hostname == "desk")
    { hostName = "ruby"; protocol = "ssh-ng"; sshUser = "nix"; system = "x86_64-linux"; maxJobs = 2; };
}
