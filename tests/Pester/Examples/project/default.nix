let all = import ./packages.nix { system = "x86_64-linux"; };
in { inherit (all.packages) server hello; release = all.packages.everything; }
