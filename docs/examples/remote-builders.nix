# A NixOS module that has a machine build on others. NixBuildFarm uses it as it is, deployed or not:
#
#   Get-NixBuilder -NixosModule ./remote-builders.nix | Test-NixBuilder
#   Get-NixBuilder -NixosModule ./remote-builders.nix | Invoke-NixDistributedBuild nixpkgs#hello
#
# The test of this file builds on two machines that have these addresses and host keys. Put yours in their place.
{ ... }: {

  # Nix itself, once this is deployed.
  nix.distributedBuilds = true;

  nix.buildMachines =
    let
      # The login on the builders: one of their trusted-users. Its private key lies here.
      sshUser = "nix";
      sshKey = "/etc/nix/builder-key";

      # The native system first, then those that binfmt_misc and qemu-user emulate.
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "riscv64-linux"
      ];

      # What derivations may require, as in requiredSystemFeatures = [ "big-parallel" ].
      supportedFeatures = [ "benchmark" "big-parallel" ];
    in
    [
      {
        inherit sshUser sshKey systems supportedFeatures;
        hostName = "workshop"; # an alias, see below
        protocol = "ssh-ng";
        maxJobs = 3; # builds at a time
        speedFactor = 2; # twice as fast as attic; NixBuildFarm learns what it really is
      }
      {
        inherit sshUser sshKey systems supportedFeatures;
        hostName = "attic";
        protocol = "ssh-ng";
        maxJobs = 2;
        speedFactor = 1;
      }
    ];

  # Builders fetch from binary caches what these have, and not from here.
  nix.extraOptions = ''
    builders-use-substitutes = true
  '';

  # What the names mean. NixOS writes this to /etc/ssh/ssh_config.
  programs.ssh.extraConfig = ''
    Host workshop
      HostName 10.77.0.101
      Port 22

    Host attic
      HostName 10.77.0.102
      Port 22
  '';

  # How the builders prove who they are. NixOS writes this to /etc/ssh/ssh_known_hosts.
  programs.ssh.knownHosts = {
    workshop = {
      hostNames = [ "workshop" "10.77.0.101" ];
      publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGsVaM+v0PrHonF1TrK1meNSSCgDGuxU0yVHbC+o9NPu";
    };
    attic = {
      hostNames = [ "attic" "10.77.0.102" ];
      publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIORKRKJrSQr5S/lWq+F+mwPBYBC/cPrt3ICsGdiayn/X";
    };
  };
}
